/** Where changes of a provider's state are told; pino's loggers fit. */
export interface RpcLog {
	info(fields: Readonly<Record<string, unknown>>, message: string): void;
	warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}
