/** What a section of the benchmark is. */
import type { Table } from "./figures.ts";

export interface SectionContext {
	/** Fewer repetitions and smaller sizes: to see that it runs, not to be quoted. */
	readonly quick: boolean;
	/** Says on stderr what is under way. */
	readonly say: (what: string) => void;
}

export interface Measured {
	readonly settings: Readonly<Record<string, string | number>>;
	readonly tables: readonly Table[];
}

export interface Section {
	readonly name: string;
	readonly title: string;
	readonly run: (context: SectionContext) => Promise<Measured>;
}

export interface SectionResult extends Measured {
	readonly section: string;
	readonly title: string;
	/** One minute's load average of the machine before and after. */
	readonly load: { readonly before: number; readonly after: number };
	readonly seconds: number;
}
