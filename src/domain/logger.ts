/**
 * Where a part says what happened. pino's loggers fit it; tests pass one that collects.
 *
 * `fields` comes first and holds the values (ids, heights, counts, the error under `err`); `message`
 * is a fixed sentence without them, so that equal events read alike and can be counted.
 */
export interface Logger {
	debug(fields: Record<string, unknown>, message: string): void;
	info(fields: Record<string, unknown>, message: string): void;
	warn(fields: Record<string, unknown>, message: string): void;
	error(fields: Record<string, unknown>, message: string): void;
	/** A logger whose every line also carries `fields`. */
	child(fields: Record<string, unknown>): Logger;
}
