"""The attention ResNet for local failure of irradiated brain metastases: six variants on simulated lesions."""
