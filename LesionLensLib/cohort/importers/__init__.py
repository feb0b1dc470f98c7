"""From the folders of public data sets to a manifest: one file a layout, found by its name in `layouts`."""
