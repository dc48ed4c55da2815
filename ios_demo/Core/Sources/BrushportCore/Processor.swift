/// What may run the network, as a device report names it. Core ML chooses among what is allowed, layer by layer.
public enum Processor: String, Sendable, Codable, CaseIterable, Identifiable {
    case all = "all"
    case cpu = "cpu"
    case cpuAndGPU = "cpu+gpu"
    case cpuAndNeuralEngine = "cpu+neural-engine"

    public var id: Self { self }

    /// In words.
    public var label: String {
        switch self {
        case .all: "CPU, GPU and Neural Engine"
        case .cpu: "CPU"
        case .cpuAndGPU: "CPU and GPU"
        case .cpuAndNeuralEngine: "CPU and Neural Engine"
        }
    }
}
