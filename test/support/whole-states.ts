/**
 * The naive model of decision 4: for every generation and every height up to a horizon the whole state,
 * kept as it was. It knows no spans: a write fills the states from its height on, a rewind copies the
 * states up to the ancestor and carries on from there. Slow, and plain enough to be believed.
 */
interface Entry {
	readonly version: bigint;
	readonly expiresBlock: bigint | undefined;
}

type State = ReadonlyMap<string, Entry>;

export class WholeStates {
	readonly #generations: State[][];
	readonly #horizon: number;

	/** Heights 0 to `horizon`, inclusive. */
	constructor(horizon: number) {
		this.#horizon = horizon;
		this.#generations = [Array.from({ length: horizon + 1 }, () => new Map())];
	}

	get generations(): number {
		return this.#generations.length;
	}

	/** The version that is visible; undefined: none. */
	read(id: string, at: { readonly height: number; readonly generation: number }) {
		return this.#generations[at.generation]?.[at.height]?.get(id)?.version;
	}

	/** From `height` on in the last generation, as long as it has not expired. */
	put(id: string, height: number, entry: Entry): void {
		this.#rewrite(height, (state, at) =>
			holds(entry, at) ? new Map(state).set(id, entry) : without(state, id),
		);
	}

	delete(id: string, height: number): void {
		this.#rewrite(height, (state) => without(state, id));
	}

	/** A new generation, which is as if nothing above `ancestor` had ever been written. */
	rewind(ancestor: number): void {
		const last = this.#generations.at(-1) ?? [];
		const base = last[ancestor] ?? new Map();
		this.#generations.push(
			last.map((state, height) => (height <= ancestor ? state : carried(base, height))),
		);
	}

	#rewrite(from: number, change: (state: State, height: number) => State): void {
		const states = this.#generations.at(-1) ?? [];
		for (let height = from; height <= this.#horizon; height++) {
			states[height] = change(states[height] ?? new Map(), height);
		}
	}
}

function holds(entry: Entry, height: number): boolean {
	return entry.expiresBlock === undefined || BigInt(height) < entry.expiresBlock;
}

function carried(base: State, height: number): State {
	return new Map([...base].filter(([, entry]) => holds(entry, height)));
}

function without(state: State, id: string): State {
	return new Map([...state].filter(([other]) => other !== id));
}
