/** A process that is nothing but a server: see `loopback.ts`. */
import { listen } from "./loopback.ts"
import { told } from "./processes.ts"

const { origin } = await listen(told())
process.send!(origin)
