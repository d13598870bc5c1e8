/** One call with a header from @azure/msal-node. */
import { peer } from "../peers/msal.ts"
import { call } from "./call.ts"

await call(peer)
