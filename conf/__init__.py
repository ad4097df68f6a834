"""Configuration: plain yaml values; the folder listing is the list of methods, tasks, recipes and backbones."""
