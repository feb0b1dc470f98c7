"""CHMFL and what it is compared with, trained on the soft-tissue sarcoma patients: PET, CT, outcome."""
