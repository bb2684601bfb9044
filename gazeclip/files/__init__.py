"""Reading and writing: atomic files, hashes, tensors, folders, strict YAML."""
