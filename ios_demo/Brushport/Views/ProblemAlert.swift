import BrushportCore
import SwiftUI

extension View {
    /// Says in words what went wrong, until it is read.
    func problemAlert(_ problem: Binding<PaintError?>) -> some View {
        let isShown = Binding(get: { problem.wrappedValue != nil }, set: { if !$0 { problem.wrappedValue = nil } })
        return alert(isPresented: isShown, error: problem.wrappedValue) {
            Button("OK", role: .cancel) {}
        }
    }
}
