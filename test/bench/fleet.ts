/**
 * `examples/fleet`, counted: 4 processes that share 1,000 tenants through a Redis on this machine. A token lives for an hour; the clocks of all processes are set ahead
 * before each round, so that all have expired. Who renews is told, or all of them ask in the same moment.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { redisServer } from "../../examples/support/redisServer.ts"
import type { Did, Order } from "./fleetProcess.ts"
import { type Contender, quantile, type Table } from "./harness.ts"
import { type Answering, company } from "./processes.ts"

const tenants = 1_000
const size = 4
/** How many tenants ask everywhere at once, one after the other. */
const contended = 250

/** Microseconds on the clock that all processes of this machine share. */
const micros = () => Number(process.hrtime.bigint() / 1_000n)

/** A token endpoint that gives each refresh token once, and remembers when. */
const server = { requests: 0, answered: new Map<string, number>() }
const listening = http.createServer((request, response) => {
  let body = ""
  request.on("data", (chunk) => (body += chunk))
  request.on("end", () => {
    server.requests++
    const given = new URLSearchParams(body).get("refresh_token") ?? ""
    const [tenant = "", count = ""] = given.split(":")
    const next = `${tenant}:${Number(count) + 1}`
    const isFirst = !server.answered.has(next)
    server.answered.set(next, micros())
    response.writeHead(isFirst ? 200 : 400, { "content-type": "application/json" })
    response.end(
      JSON.stringify(
        isFirst
          ? { access_token: `${next}:`.padEnd(700, "t"), refresh_token: next, token_type: "Bearer", expires_in: 3_600 }
          : { error: "invalid_grant" }
      )
    )
  })
})

type Counts = Readonly<Record<string, number>>

const rounded = (counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Number(count.toPrecision(3))]))

interface Fleet {
  readonly redis: Redis
  readonly processes: ReadonlyArray<Answering<Order, Did | null>>
}

const begin = async (): Promise<Fleet | undefined> => {
  const scope = Effect.runSync(Scope.make())
  process.once("exit", () => void Effect.runFork(Scope.close(scope, Exit.void)))
  const url = Option.getOrUndefined(await Effect.runPromise(Scope.extend(redisServer, scope)))
  if (url === undefined) return undefined
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", () => resolve()))
  const tokenEndpoint = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/token`
  const processes = await company<Order, Did | null>("./fleetProcess.js", { url, tokenEndpoint, tenants }, size)
  return { redis: new Redis(url), processes }
}

/** How many seconds the clocks are ahead: longer than a token lives, once more for each round. */
let ahead = 0

/** What Redis has done since it was last asked: commands, those in scripts included, and microseconds of processor time. */
const spentBy = async (redis: Redis): Promise<{ readonly commands: number; readonly micros: number }> => {
  const [stats, cpu] = [await redis.info("commandstats"), await redis.info("cpu")]
  await redis.config("RESETSTAT")
  const commands = Array.from(stats.matchAll(/^cmdstat_(\w+)[^:]*:calls=(\d+)/gm))
    .filter(([, name]) => name !== "info" && name !== "config")
    .reduce((sum, [, , calls]) => sum + Number(calls), 0)
  const seconds = Array.from(cpu.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)).reduce(
    (sum, [, s]) => sum + Number(s),
    0
  )
  return { commands, micros: seconds * 1e6 }
}

const everywhere = (fleet: Fleet, order: Order) => Promise.all(fleet.processes.map((ask) => ask(order)))

/** Sets the clocks ahead, does something, and waits until all processes have so many tokens. Fails unless each was one token request. */
const counted = async (fleet: Fleet, renewals: number, work: () => Promise<unknown>) => {
  ahead += 3_700
  await everywhere(fleet, { ahead })
  const asked = server.requests
  const before = await spentBy(fleet.redis)
  await work()
  const did = (await everywhere(fleet, { until: renewals, rest: 0 })) as ReadonlyArray<Did>
  const after = await spentBy(fleet.redis)
  const requests = server.requests - asked
  if (requests !== renewals) throw new Error(`${requests} token requests for ${renewals} renewals`)
  return {
    did,
    counts: {
      "token requests": requests / renewals,
      sent: did.reduce((sum, { sent }) => sum + sent, 0) / renewals,
      "in Redis": after.commands / renewals,
      "Redis µs": (after.micros - before.micros) / renewals
    }
  }
}

/** Milliseconds from the token endpoint's answer until a process had what it brought. */
const delays = (did: ReadonlyArray<Did>): ReadonlyArray<number> =>
  did.flatMap(({ had }) => had.map(([name, at]) => (at - server.answered.get(name)!) / 1_000))

/** One process renews all tenants, the others do not ask. */
const telling = (fleet: Fleet, renewer: number) =>
  counted(fleet, tenants, () => fleet.processes[renewer]!({ from: 0, to: tenants }))

/** All processes ask for the same tenant in the same moment, one tenant after the other. */
const contending = (fleet: Fleet) =>
  counted(fleet, contended, async () => {
    for (let from = 0; from < contended; from++) await everywhere(fleet, { from, to: from + 1 })
  })

const contender = (
  name: string,
  round: (nth: number) => Promise<{ times: ReadonlyArray<number>; cpu: number; counts: Counts }>
): Contender => {
  const all: Array<number> = []
  let counts: Counts = {}
  let nth = 0
  return {
    name,
    run: async () => {
      const { counts: seen, cpu, times } = await round(nth++)
      all.push(...times)
      counts = { ...seen, "CPU µs": cpu }
      return quantile(times, 0.5)
    },
    counts: () => rounded({ "p99 ms": quantile(all, 0.99), ...counts })
  }
}

/** For how many seconds nobody asks for anything. */
const rest = 15
let resting: Counts = {}

const fleet = await begin()
// The first token of all tenants.
if (fleet !== undefined) await telling(fleet, 0)
else console.error("fleet: there is no redis-server on this machine: install it (apt install redis-server)")

export const tables = (): ReadonlyArray<Table> =>
  fleet === undefined
    ? []
    : [
        {
          title: `fleet: ${size} processes, ${tenants.toLocaleString("en")} tenants, from the answer of the token endpoint until a process has the token`,
          floors: ["the process that renews"],
          isTold: true,
          unit: "ms",
          batch: 1,
          rounds: size,
          contenders: [
            contender("the process that renews", async (nth) => {
              const { counts, did } = await telling(fleet, nth % size)
              const own = did[nth % size]!
              return { times: delays([own]), cpu: own.cpu / tenants, counts }
            }),
            contender("another, which is told", async (nth) => {
              const { counts, did } = await telling(fleet, nth % size)
              const others = did.filter((_, other) => other !== nth % size)
              return {
                times: delays(others),
                cpu: others.reduce((sum, { cpu }) => sum + cpu, 0) / others.length / tenants,
                counts
              }
            }),
            contender(`one of ${size} that ask at once`, async () => {
              const { counts, did } = await contending(fleet)
              return { times: delays(did), cpu: did.reduce((sum, { cpu }) => sum + cpu, 0) / size / contended, counts }
            })
          ],
          note: "For each renewal: commands sent by all processes, commands that Redis ran, scripts and what they call, its processor time, and that of one process"
        },
        {
          title: `fleet: ${(size * tenants).toLocaleString("en")} sets of credentials at rest, processor time of one in a second`,
          floors: [],
          isTold: true,
          batch: 1,
          rounds: 1,
          contenders: [
            {
              name: "at rest",
              run: async () => {
                const before = await spentBy(fleet.redis)
                await everywhere(fleet, { ahead })
                const did = (await everywhere(fleet, { until: 0, rest: 1_000 * rest })) as ReadonlyArray<Did>
                const after = await spentBy(fleet.redis)
                resting = {
                  "in Redis a second": after.commands / rest,
                  "Redis µs a second": (after.micros - before.micros) / rest
                }
                return (1_000 * did.reduce((sum, { cpu }) => sum + cpu, 0)) / rest / size / tenants
              },
              counts: () => rounded(resting)
            }
          ]
        }
      ]
