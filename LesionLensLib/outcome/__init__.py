"""What an outcome model may honestly say: figures with intervals, calibrated risk, typicality. Pure: numpy and scipy.

Fitting (calibration, typicality, folds) is done by `training`; what is fitted there is applied here.
"""
