/** One call with a header from openid-client. */
import { peer } from "../peers/openidClient.ts"
import { call } from "./call.ts"

await call(peer)
