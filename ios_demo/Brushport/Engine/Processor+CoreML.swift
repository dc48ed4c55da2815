import BrushportCore
import CoreML

extension Processor {
    /// What Core ML calls it.
    var computeUnits: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpu: .cpuOnly
        case .cpuAndGPU: .cpuAndGPU
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        }
    }
}
