"""What an audit looks at, by name; findings and counts are sorted by these."""

CHAIN = "chain"
"""Signatures, sequence, headers and their roots."""
SEALS = "seals"
"""Who sealed a network's blocks."""
RULES = "rules"
"""Every transaction that the chain took is one that the rules allow."""
ROSTER = "roster and keys"
ROUNDS = "rounds"
RANDOMNESS = "randomness"
VERDICTS = "verdicts"
MODELS = "models"
REPUTATION = "reputation"
COMMITTEES = "committees"
ACCESS = "access"
NOTICES = "notices"
STUDY = "study file"
RECORDS = "records"
STORE = "model files"
STANDARDS = "standards"

MEANING = {
    CHAIN: "signatures, sequence, the chain of headers, and what each header commits to",
    SEALS: "each block of a network is sealed by the genesis block's sealers, as the consensus asks",
    RULES: "every transaction that the chain took, played again under the rules in plain Python",
    ROSTER: "members, roles, status, keys, the study's hospitals and validators",
    ROUNDS: "every attempt: base, deadline, submissions, phase, votes, why it was void",
    RANDOMNESS: "every revealed value against its commitment, every seed from the revealed values",
    VERDICTS: "bound verdicts: equal ones signed by a majority of the attempt's committee",
    MODELS: "initial, attested, released, withdrawn, rolled back, current, stable; certificates and findings",
    REPUTATION: "counted again from the bound verdicts of every finished round",
    COMMITTEES: "draws recomputed from the revealed values",
    ACCESS: "requests for records, approvals, openings",
    NOTICES: "complaints of hospitals about attempts, and refusals of the study",
    STUDY: "study.json against the configuration hash on the ledger",
    RECORDS: "rounds.jsonl against the ledger, where the ledger binds it",
    STORE: "every model that the ledger names, against its hash",
    STANDARDS: "the current model on the auditor's own data",
}
"""Topic: what is compared under it."""
