"""Export: a hub model in, verified Core ML and TFLite artifacts out. See :func:`export_model`."""

__all__ = ["ExportResult", "export_model"]


def __getattr__(name: str):
    """Load the functions when they are first used, so that ``import export`` and ``--help`` stay quick."""
    if name in __all__:
        from export import api

        return getattr(api, name)
    raise AttributeError(f"module 'export' has no attribute '{name}'")
