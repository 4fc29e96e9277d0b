"""What the ledger costs: long studies made through the parties' own views, with no training behind them."""
