/** `["content", "legs", 2, "amount"]` under `operations[1]` → `operations[1].content.legs[2].amount`. */
export function placeOf(root: string, path: readonly (string | number)[]): string {
	return path.reduce<string>((text, step) => {
		if (typeof step === "number") return `${text}[${step}]`;
		return text === "" ? step : `${text}.${step}`;
	}, root);
}
