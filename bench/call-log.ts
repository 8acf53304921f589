/** Notes every call through a port: which, when, how long. */

export interface Call {
	/** `port.method`. */
	readonly name: string;
	readonly startMs: number;
	readonly endMs: number;
}

export class CallLog {
	#calls: Call[] = [];

	/** The same object, whose methods are noted under `port.method`. */
	watch<Port extends object>(port: string, target: Port): Port {
		return new Proxy(target, {
			get: (object, property) => {
				const value: unknown = Reflect.get(object, property, object);
				if (typeof value !== "function") return value;
				return (...given: unknown[]) => {
					const startMs = performance.now();
					const note = () => this.#note(`${port}.${String(property)}`, startMs);
					const result: unknown = value.apply(object, given);
					if (result instanceof Promise) return result.finally(note);
					note();
					return result;
				};
			},
		});
	}

	/** What was noted since the last call of this. */
	take(): readonly Call[] {
		const calls = this.#calls;
		this.#calls = [];
		return calls;
	}

	#note(name: string, startMs: number): void {
		this.#calls.push({ name, startMs, endMs: performance.now() });
	}
}

/** Time in which at least one of the calls was under way, within the bounds. */
export function coveredMs(
	calls: readonly Call[],
	within: { readonly fromMs: number; readonly toMs: number },
): number {
	let covered = 0;
	let reached = within.fromMs;
	for (const { startMs, endMs } of calls.toSorted((a, b) => a.startMs - b.startMs)) {
		const end = Math.min(endMs, within.toMs);
		if (end <= reached) continue;
		covered += end - Math.max(startMs, reached);
		reached = end;
	}
	return covered;
}
