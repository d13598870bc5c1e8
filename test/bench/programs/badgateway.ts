/** One call with a header from @badgateway/oauth2-client. */
import { peer } from "../peers/badgateway.ts"
import { call } from "./call.ts"

await call(peer)
