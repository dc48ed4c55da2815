import BrushportCore

/// The one loaded model, shared by the screens.
actor ModelStore {
    private var loaded: (model: StyleModel, processor: Processor)?

    /// The model on `processor`, loaded on first use.
    func model(on processor: Processor) throws -> StyleModel {
        if let loaded, loaded.processor == processor {
            return loaded.model
        }
        loaded = nil  // first, so that two are never in memory
        let model = try StyleModel(ModelFiles(), on: processor)
        loaded = (model, processor)
        return model
    }

    /// Frees the model's memory, once nobody paints with it any more.
    func release() {
        loaded = nil
    }
}
