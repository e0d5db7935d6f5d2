"""Physics of one array as pure functions of tensors."""
