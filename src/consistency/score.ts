/**
 * One number for a check: 1 is clean, 0 is that everything is damaged.
 *
 *     score = Π over severities s with findings: 1 − w(s) · (b + (1 − b) · share(s))
 *
 * share(s) = min(1, findings of s / records read), w = 0 for info, 0.1 warning, 0.5 error,
 * 1 critical, and b = 0.1. A share alone would call one damaged record in a million 0.999999, so
 * the first finding of a severity costs b of its weight at once, and the rest follows the share:
 * one warning gives at most 0.99, one error 0.95, one critical finding 0.9. The score is 1 exactly
 * when nothing above info was found, and never rises when a finding is added.
 */
import { SEVERITIES, type Severity, type SeverityCounts } from "./finding.ts";

const WEIGHTS: SeverityCounts = { info: 0, warning: 0.1, error: 0.5, critical: 1 };
const BASE = 0.1;

/** `records`: how many the run read, whatever their kind. In [0, 1]. */
export function scoreOf(counts: SeverityCounts, records: number): number {
	return SEVERITIES.reduce((score, severity) => score * factor(severity, counts, records), 1);
}

function factor(severity: Severity, counts: SeverityCounts, records: number): number {
	const found = counts[severity];
	if (found === 0) return 1;
	const share = Math.min(1, found / Math.max(1, records));
	return 1 - WEIGHTS[severity] * (BASE + (1 - BASE) * share);
}
