import BrushportCore
import SwiftUI

/// What the model takes on this device, and a report of it to share.
struct BenchmarkView: View {
    @EnvironmentObject private var studio: Studio
    @Environment(\.dismiss) private var dismiss
    @StateObject private var benchmark = BenchmarkModel()
    @State private var isRunning = false

    var body: some View {
        NavigationStack {
            Form {
                Section {
                    ForEach(Processor.allCases) { processor in
                        Toggle(processor.label, isOn: isChosen(processor))
                    }
                } footer: {
                    Text(
                        """
                        Times the model on this device, and makes a report that a computer compares with the network \
                        itself.
                        """
                    )
                }
                Section("Results") {
                    ForEach(benchmark.timings, id: \.processor) { BenchmarkRow(timing: $0) }
                    if let current = benchmark.current {
                        ProgressView("Measuring \(current.label)…")
                    }
                }
                if let report = benchmark.report {
                    Section {
                        ShareLink("Share report", item: report)
                    } footer: {
                        Text("On a computer: python -m validate --device-report FILE")
                    }
                }
            }
            .navigationTitle("Benchmark")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                ToolbarItem(placement: .cancellationAction) {
                    Button("Close") { dismiss() }
                }
                ToolbarItem(placement: .primaryAction) {
                    Button(isRunning ? "Stop" : "Run") { isRunning.toggle() }
                        .disabled(benchmark.chosen.isEmpty)
                }
            }
        }
        .task(id: isRunning) {
            guard isRunning else { return }
            await benchmark.run(studio)
            isRunning = false
        }
        .problemAlert($benchmark.problem)
    }

    private func isChosen(_ processor: Processor) -> Binding<Bool> {
        Binding(
            get: { benchmark.chosen.contains(processor) },
            set: { isOn in
                if isOn {
                    benchmark.chosen.insert(processor)
                } else {
                    benchmark.chosen.remove(processor)
                }
            })
    }
}

/// One processor's numbers.
private struct BenchmarkRow: View {
    let timing: Timing

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(timing.processor.label)
            Text(
                """
                \(number(timing.median)) ms, 90 % within \(number(timing.p90)) ms, \
                loaded in \(Int(timing.loading)) ms, \(Int(timing.megabytes)) MB
                """
            )
            .font(.footnote.monospacedDigit())
            .foregroundStyle(.secondary)
            if let fallback = timing.fallback {
                Text(fallback)
                    .font(.footnote)
            }
        }
        .accessibilityElement(children: .combine)
    }

    private func number(_ value: Double) -> String {
        value.formatted(.number.precision(.fractionLength(1)))
    }
}
