/** One call with a header from @azure/core-rest-pipeline. */
import { peer } from "../peers/coreRestPipeline.ts"
import { call } from "./call.ts"

await call(peer)
