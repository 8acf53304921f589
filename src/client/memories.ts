/**
 * The verbs of memory on one chain and namespace: add, search, get, list, update, delete, history; and at,
 * explain and diff, which are Recant's own.
 *
 *     const notes = recant.on("31337", "notes");
 *     await notes.add({ id: "thesis", content: { bullish: true }, text: "the treasury bought back" });
 *     await notes.at(1200).search("buy back");
 */
import type {
	DiffAnswer,
	ExplainAnswer,
	HistoryAnswer,
	MemoriesAnswer,
	OneMemoryAnswer,
	SearchAnswer,
	WriteAnswer,
} from "./answers.ts";
import type {
	AtQuery,
	DeleteInput,
	DiffQuery,
	ExplainQuery,
	HistoryQuery,
	MemoriesQuery,
	MemoryQuery,
	OperationInput,
	PatchInput,
	PutInput,
	SearchInput,
	WholeNumber,
	WriteOptions,
} from "./requests.ts";

/** What the verbs are made of; `RecantClient` is one. */
export interface MemoryApi {
	write(chain: string, operation: OperationInput, options?: WriteOptions): Promise<WriteAnswer>;
	memories(chain: string, query?: MemoriesQuery): Promise<MemoriesAnswer>;
	memory(chain: string, id: string, query?: MemoryQuery): Promise<OneMemoryAnswer>;
	history(chain: string, id: string, query?: HistoryQuery): Promise<HistoryAnswer>;
	explain(chain: string, id: string, query?: ExplainQuery): Promise<ExplainAnswer>;
	search(chain: string, search: SearchInput): Promise<SearchAnswer>;
	diff(chain: string, query: DiffQuery): Promise<DiffAnswer>;
}

export interface MemoryPlace {
	readonly chain: string;
	/** Undefined: reads of lists and searches are of all namespaces, everything else of `default`. */
	readonly namespace: string | undefined;
}

/** A memory to add; a text alone is one too. `layer` left out: semantic. */
export type AddInput =
	| string
	| (Omit<PutInput, "content" | "layer" | "namespace" | "op"> &
			Partial<Pick<PutInput, "content" | "layer">>);

/** Reads at one coordinate. */
export class MemoriesAt {
	protected readonly api: MemoryApi;
	protected readonly place: MemoryPlace;
	readonly #at: AtQuery;

	constructor(api: MemoryApi, place: MemoryPlace, at: AtQuery) {
		this.api = api;
		this.place = place;
		this.#at = at;
	}

	/** Throws `memory_not_found`. */
	get(id: string): Promise<OneMemoryAnswer> {
		return this.api.memory(this.place.chain, id, this.#here());
	}

	/** A page; its cursor pins the coordinate. */
	list(
		query: Omit<MemoriesQuery, "at" | "generation" | "namespace"> = {},
	): Promise<MemoriesAnswer> {
		const { chain, namespace } = this.place;
		const at = query.cursor === undefined ? this.#at : {};
		return this.api.memories(chain, { ...query, ...at, namespace });
	}

	/** By a text, or by all that a search may ask. */
	search(
		asked: string | Omit<SearchInput, "at" | "generation" | "namespace">,
	): Promise<SearchAnswer> {
		const search = typeof asked === "string" ? { text: asked } : asked;
		return this.api.search(this.place.chain, { ...search, ...this.#here() });
	}

	/** Its whole story, as of the coordinate. */
	explain(id: string, query: Pick<ExplainQuery, "depth"> = {}): Promise<ExplainAnswer> {
		return this.api.explain(this.place.chain, id, { ...query, ...this.#here() });
	}

	#here(): MemoryQuery {
		return { ...this.#at, namespace: this.place.namespace };
	}
}

/** Reads at `pending`, where what was just written is seen; and writes. */
export class Memories extends MemoriesAt {
	constructor(api: MemoryApi, place: MemoryPlace) {
		super(api, place, {});
	}

	/** The same reads at a height, a block hash (an orphaned one too) or a tag. */
	at(at: WholeNumber, generation?: WholeNumber): MemoriesAt {
		return new MemoriesAt(this.api, this.place, { at, generation });
	}

	add(memory: AddInput, options?: WriteOptions): Promise<WriteAnswer> {
		const {
			layer = "semantic",
			content = {},
			...rest
		} = typeof memory === "string" ? { text: memory } : memory;
		return this.#write({ ...rest, op: "put", layer, content }, options);
	}

	/** Merges `content` into what is there, one level deep; a null removes a field. */
	update(
		id: string,
		changes: Omit<PatchInput, "id" | "namespace" | "op">,
		options?: WriteOptions,
	): Promise<WriteAnswer> {
		return this.#write({ ...changes, op: "patch", id }, options);
	}

	/** From the pending slot on; at lower heights it stays to be read. */
	delete(
		id: string,
		because: Omit<DeleteInput, "id" | "namespace" | "op"> = {},
		options?: WriteOptions,
	): Promise<WriteAnswer> {
		return this.#write({ ...because, op: "delete", id }, options);
	}

	/** Versions of every generation, the newest first; or those of a range. */
	history(id: string, query: Omit<HistoryQuery, "namespace"> = {}): Promise<HistoryAnswer> {
		const { chain, namespace } = this.place;
		return this.api.history(chain, id, { ...query, namespace });
	}

	/** What differs between two coordinates; `to` is `pending` if left out. */
	diff(query: Omit<DiffQuery, "namespace">): Promise<DiffAnswer> {
		const { chain, namespace } = this.place;
		return this.api.diff(chain, { ...query, namespace });
	}

	#write(operation: OperationInput, options: WriteOptions | undefined): Promise<WriteAnswer> {
		const { chain, namespace } = this.place;
		return this.api.write(chain, { ...operation, namespace }, options);
	}
}
