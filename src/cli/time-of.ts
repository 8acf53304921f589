/** Seconds since the epoch, as ISO 8601; as they are where no date can hold them. */
export function timeOf(seconds: string): string {
	const date = new Date(Number(seconds) * 1_000);
	return Number.isNaN(date.getTime()) ? seconds : date.toISOString();
}
