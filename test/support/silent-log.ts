import type { Logger } from "../../src/domain/logger.ts";

/** Of what nobody reads. */
export const SILENT: Logger = {
	debug: () => undefined,
	info: () => undefined,
	warn: () => undefined,
	error: () => undefined,
	child: () => SILENT,
};
