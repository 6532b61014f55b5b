"""Commands that measure and print: verification, ablation, baseline, alignment, attacks, contact sheets."""
