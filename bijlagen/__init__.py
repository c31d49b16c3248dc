"""The PDF check of bijlagen: what is looked at, the processes it runs in, and the verdicts that are kept."""
