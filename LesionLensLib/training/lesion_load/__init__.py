"""The regression network of lesion load: total, left and right in ml, learned from planted lesions."""
