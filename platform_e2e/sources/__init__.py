"""Charts and repositories that a layer reads besides itself: a store of them, the lock file beside the layer, and how they are fetched."""
