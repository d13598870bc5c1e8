/** One call with a header from google-auth-library. */
import { peer } from "../peers/google.ts"
import { call } from "./call.ts"

await call(peer)
