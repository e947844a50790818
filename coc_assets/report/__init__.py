"""The quality report: one HTML page that says how a store stands, what its labels are like and what to mend."""
