"""Azure, as it is spoken to over HTTP: Resource Graph, Resource Manager and its tokens."""
