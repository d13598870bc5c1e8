/** One call with a header from @smithy/core. */
import { peer } from "../peers/smithy.ts"
import { call } from "./call.ts"

await call(peer)
