import BrushportCore
import SwiftUI

/// What the model may run on, and which model it is.
struct SettingsView: View {
    @EnvironmentObject private var studio: Studio
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        NavigationStack {
            Form {
                Section {
                    Picker("Processor", selection: processor) {
                        ForEach(Processor.allCases) { one in
                            Text(one.label).tag(one)
                        }
                    }
                    .pickerStyle(.inline)
                } footer: {
                    Text("Core ML chooses among these, layer by layer.")
                }
                if let manifest = studio.manifest {
                    Section("Model") {
                        LabeledContent("File", value: manifest.file)
                        LabeledContent("Precision", value: manifest.precision)
                        LabeledContent("Size", value: "\(manifest.width)×\(manifest.height)")
                        LabeledContent("Larger photos", value: manifest.tiles == nil ? "No" : "In tiles")
                    }
                }
            }
            .navigationTitle("Settings")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                ToolbarItem(placement: .confirmationAction) {
                    Button("Done") { dismiss() }
                }
            }
        }
    }

    private var processor: Binding<Processor> {
        Binding(get: { studio.processor }, set: { studio.run(on: $0) })
    }
}
