"""Results as DICOM objects of the patient's study, by highdicom, which is optional and never imported at start."""
