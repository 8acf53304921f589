/** Trees drawn with lines, for people. */

export interface Branch {
	/** One line; `printable` where others wrote it. */
	readonly text: string;
	readonly branches: readonly Branch[];
}

/** Lines of the branches, each level further in. Trees are at most as deep as an answer, so it may recurse. */
export function drawTree(branches: readonly Branch[], indent = ""): readonly string[] {
	return branches.flatMap(({ text, branches: below }, index) => {
		const isLast = index === branches.length - 1;
		const inner = `${indent}${isLast ? "   " : "│  "}`;
		return [`${indent}${isLast ? "└─ " : "├─ "}${text}`, ...drawTree(below, inner)];
	});
}
