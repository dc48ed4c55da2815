@_exported import CoreVideo

// developer.apple.com/documentation/coreml/mlcomputeunits
public enum MLComputeUnits: Int, Sendable { case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine }

// developer.apple.com/documentation/coreml/mlmodelconfiguration
public final class MLModelConfiguration {
    public init() {}
    public var computeUnits: MLComputeUnits = .all
}

// developer.apple.com/documentation/coreml/mlmodel
public final class MLModel {
    public init(contentsOf url: URL, configuration: MLModelConfiguration) throws {}
    public var modelDescription: MLModelDescription { MLModelDescription() }
    public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { input }
}

// developer.apple.com/documentation/coreml/mlmodeldescription
public final class MLModelDescription {
    public var inputDescriptionsByName: [String: MLFeatureDescription] { [:] }
    public var outputDescriptionsByName: [String: MLFeatureDescription] { [:] }
}

// developer.apple.com/documentation/coreml/mlfeaturetype
public enum MLFeatureType: Int, Sendable { case invalid, int64, double, string, image, multiArray, dictionary, sequence }

// developer.apple.com/documentation/coreml/mlfeaturedescription
public final class MLFeatureDescription {
    public var name: String { "" }
    public var type: MLFeatureType { .invalid }
    public var imageConstraint: MLImageConstraint? { nil }
    public var multiArrayConstraint: MLMultiArrayConstraint? { nil }
}

// developer.apple.com/documentation/coreml/mlimageconstraint
public final class MLImageConstraint {
    public var pixelsWide: Int { 0 }
    public var pixelsHigh: Int { 0 }
    public var pixelFormatType: OSType { 0 }
}

// developer.apple.com/documentation/coreml/mlmultiarraydatatype
public enum MLMultiArrayDataType: Int, Sendable { case double, float64, float32, float16, float, int32 }

// developer.apple.com/documentation/coreml/mlmultiarrayconstraint
public final class MLMultiArrayConstraint {
    public var shape: [NSNumber] { [] }
    public var dataType: MLMultiArrayDataType { .float32 }
}

// developer.apple.com/documentation/coreml/mlfeatureprovider
public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

// developer.apple.com/documentation/coreml/mldictionaryfeatureprovider
public final class MLDictionaryFeatureProvider: MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    public var featureNames: Set<String> { [] }
    public func featureValue(for featureName: String) -> MLFeatureValue? { nil }
}

// developer.apple.com/documentation/coreml/mlshapedarray
public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}
extension Double: MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}

public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
    public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar {}
    public var shape: [Int] { [] }
    public var scalars: [Scalar] { [] }
}

// developer.apple.com/documentation/coreml/mlfeaturevalue
public final class MLFeatureValue {
    public init(pixelBuffer: CVPixelBuffer) {}
    public init<Scalar: MLShapedArrayScalar>(shapedArray: MLShapedArray<Scalar>) {}
    public var imageBufferValue: CVPixelBuffer? { nil }
    public func shapedArrayValue<Scalar: MLShapedArrayScalar>(of type: Scalar.Type) -> MLShapedArray<Scalar>? { nil }
}
