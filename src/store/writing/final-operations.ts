/** Which agents' operations no fork can touch any more, as conditions on rows of `operations`. */
import type { Height } from "../../domain/ids.ts";
import type { Fragment, Queryable } from "../sql.ts";

/** Whether it is out of every fork's reach once that height is final; never true of one that was refused. */
export function isFinalAt(sql: Queryable, finalized: Height): Fragment {
	return sql`((status = 'applied' and (not suspect or ${finalized} >= case
				when sources is null then coalesce(anchor_height, original_slot)
				else greatest(anchor_height, original_slot) end)
			and greatest(effective_slot, judged_slot) <= ${finalized})
		or (status = 'suspended' and ${finalized} >= case
			when sources is null then coalesce(anchor_height, original_slot)
			else greatest(anchor_height, original_slot, judged_slot) end)
		or (status = 'recanted' and judged_slot <= ${finalized}))`;
}

/** Whether it is open, or would be if finality went back to that height. */
export function isOpenAt(sql: Queryable, finalized: Height): Fragment {
	return sql`(not final or (status <> 'refused' and not ${isFinalAt(sql, finalized)}))`;
}
