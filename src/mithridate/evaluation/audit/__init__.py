"""The audit of a study: its ledger, its files, its current model on the auditor's own data; report and certificate."""
