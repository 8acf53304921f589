/**
 * Milliseconds of a Retry-After header (RFC 9110, 10.2.3): seconds, or a date. Undefined where it is neither;
 * 0 for a date that is over at `wallMs`, which is milliseconds since the epoch.
 */
export function parseRetryAfter(value: string | undefined, wallMs: number): number | undefined {
	if (value === undefined) return undefined;
	const seconds = /^\s*(\d{1,9}(?:\.\d+)?)\s*$/.exec(value)?.[1];
	if (seconds !== undefined) return Number(seconds) * 1_000;
	const at = Date.parse(value);
	// A date is by the server's clock: what is waited has a limit in any case.
	return Number.isNaN(at) ? undefined : Math.max(0, at - wallMs);
}
