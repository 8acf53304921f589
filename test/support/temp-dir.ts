import { makeTempDir } from "../../scripts/support/temp-dir.ts";
import { atTestEnd } from "./test-end.ts";

/**
 * A new empty directory. It is removed when the running test has passed, and kept to be looked into
 * when it has failed.
 */
export function testDir(name: string): string {
	const dir = makeTempDir(name);
	atTestEnd((passed) => (passed ? dir.remove() : undefined));
	return dir.path;
}
