/** What a check reads of LanceDB: a store that is away is not taken for one that is empty. */
import { rename } from "node:fs/promises";
import { expect, test } from "vitest";
import { openLanceInspection } from "../../src/vectors/lance-inspection.ts";
import { testDir } from "../support/temp-dir.ts";

const TABLE = "chain_1_default";

test("a directory without tables lacks them, and one that is away does not answer", async () => {
	const directory = testDir("lance-inspection");
	const inspection = await openLanceInspection(directory);
	try {
		expect(await inspection.installationId()).toBeUndefined();
		const lacking = await inspection.health(TABLE, 1n).catch((error: unknown) => error);
		expect(lacking).not.toMatchObject({ message: expect.stringContaining("is not there, or") });
		await rename(directory, `${directory}-away`);
		const away = {
			code: "vectors_unavailable",
			message: expect.stringContaining("is not there, or"),
		};
		await expect(inspection.installationId()).rejects.toMatchObject(away);
		await expect(inspection.health(TABLE, 1n)).rejects.toMatchObject(away);
		await rename(`${directory}-away`, directory);
		expect(await inspection.installationId()).toBeUndefined();
	} finally {
		await inspection.close();
	}
});
