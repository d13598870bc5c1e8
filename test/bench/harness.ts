/**
 * Measures contenders side by side: in interleaved rounds, as medians, with ratios paired within a round. Time is processor time, all threads
 * of this process together: it counts the collection of garbage, and hardly what else the machine does meanwhile.
 */
import * as Effect from "effect/Effect"
import * as os from "node:os"

/** One way to do the work of a table. */
export interface Contender {
  readonly name: string
  /** Does it `n` times. From {@link inFiber}, {@link awaited} or {@link direct}, so that its loop is its own. */
  readonly run: (n: number) => unknown
  /** What was counted meanwhile, for a column each. */
  readonly counts?: () => Readonly<Record<string, number>>
}

/** Contenders that do the same work. */
export interface Table {
  readonly title: string
  readonly contenders: ReadonlyArray<Contender>
  /** The contenders that all are compared with, if there are any. */
  readonly floors: ReadonlyArray<string>
  /** What is measured: the processor's time, or the real time that passes, for what waits. Default: the processor's. */
  readonly time?: "processor" | "real"
  /** Whether `run` says itself how much it took, because it runs in a process of its own, or because it is no time. Default: false. */
  readonly isTold?: boolean
  /** What is told is told in this. Default: nanoseconds. */
  readonly unit?: "ns" | "ms" | "bytes"
  /** How often a batch does the work. Default: as often as takes 10 ms. */
  readonly batch?: number
  /** How many operations one turn stands for. Default: 1. */
  readonly operations?: number
  /** Default: 100. */
  readonly rounds?: number
  /** What else to say about it. */
  readonly note?: string
  /** How many turns to weigh for the bytes allocated. Default: these are not measured. */
  readonly weighed?: number
}

/** What was found out about a contender: medians, of a ratio to a floor, too. */
export interface Row {
  readonly name: string
  /** In the table's unit. */
  readonly median: number
  /** Half of the rounds lay within this part of the median. */
  readonly spread: number
  readonly ratios: Readonly<Record<string, number>>
  /** How much more than the last of the floors. */
  readonly added: number
  readonly counts: Readonly<Record<string, number>>
}

// A loop that contenders shared would have seen them all, and be slow for each: every one has its own compiled.
const compiled = (loop: string): ((Effect: unknown, it: unknown, around: unknown) => (n: number) => unknown) =>
  new Function("Effect", "it", "around", `let sink; return ${loop}`) as any

/** Runs the effects that `it` makes one after the other, all in one fiber. */
export const inFiber = <A, E>(
  it: () => Effect.Effect<A, E>,
  around: (loop: Effect.Effect<void, E>) => Effect.Effect<void, E> = (loop) => loop
): Contender["run"] =>
  compiled(
    `(n) => {
      let i = 0
      return Effect.runPromise(around(Effect.whileLoop({ while: () => i++ < n, body: () => it(), step: (a) => { sink = a } })))
    }`
  )(Effect, it, around)

/** Awaits what `it` returns, one after the other. */
export const awaited = (it: () => unknown): Contender["run"] =>
  compiled("async (n) => { for (let i = 0; i < n; i++) sink = await it() }")(Effect, it, undefined)

/** Calls `it` again and again. */
export const direct = (it: () => unknown): Contender["run"] =>
  compiled("(n) => { for (let i = 0; i < n; i++) sink = it() }")(Effect, it, undefined)

/** The value that this part of the values is not above. */
export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1)
}
const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

const timed = async (contender: Contender, n: number, { isTold, time }: Table): Promise<number> => {
  if (isTold === true) return Number(await contender.run(n))
  if (time === "real") {
    const start = performance.now()
    await contender.run(n)
    return ((performance.now() - start) * 1e6) / n
  }
  const start = process.cpuUsage()
  await contender.run(n)
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1_000) / n
}

/** Runs it until it is compiled, and says how often it is to run in a batch. */
const warmUp = async (contender: Contender, table: Table): Promise<number> => {
  let n = 100
  for (const end = performance.now() + 500; performance.now() < end;) {
    n = Math.max(100, Math.round(10e6 / (await timed(contender, n, table))))
  }
  return n
}

/** Measures a table. */
export const measure = async (table: Table, rounds = table.rounds ?? 100): Promise<ReadonlyArray<Row>> => {
  const { contenders, operations = 1 } = table
  const batches: Array<number> = []
  for (const contender of contenders) batches.push(table.batch ?? (await warmUp(contender, table)))
  const samples = contenders.map((): Array<number> => [])
  for (let round = 0; round < rounds; round++) {
    // In another order each time, so that none always cleans up after the same.
    const order = contenders.map((_, index) => [Math.random(), index] as const).sort(([a], [b]) => a - b)
    for (const [, next] of order)
      samples[next]!.push((await timed(contenders[next]!, batches[next]!, table)) / operations)
  }
  const floors = table.floors.map((floor) => samples[contenders.findIndex(({ name }) => name === floor)]!)
  return contenders.map((contender, index): Row => {
    const own = samples[index]!
    return {
      name: contender.name,
      median: median(own),
      spread: (quantile(own, 0.75) - quantile(own, 0.25)) / median(own),
      ratios: Object.fromEntries(
        table.floors.map((floor, at) => [floor, median(own.map((one, round) => one / floors[at]![round]!))])
      ),
      added: median(own.map((one, round) => one - (floors.at(-1)?.[round] ?? one))),
      counts: contender.counts?.() ?? {}
    }
  })
}

/** Bytes per operation, for a process whose young generation is so large that nothing is collected within a sample. */
export const weigh = async (table: Table, turns: number): Promise<Readonly<Record<string, number>>> => {
  const bytes: Record<string, number> = {}
  for (const contender of table.contenders) {
    await warmUp(contender, table)
    const samples: Array<number> = []
    for (let sample = 0; sample < 15; sample++) {
      const before = process.memoryUsage().heapUsed
      await contender.run(turns)
      const used = process.memoryUsage().heapUsed - before
      // Less than nothing: a collection fell into it after all.
      if (used > 0) samples.push(used / turns)
    }
    bytes[contender.name] = Math.round(median(samples))
  }
  return bytes
}

/** Says how many processors others kept busy while `work` ran. */
export const disturbed = async <A>(work: () => Promise<A>): Promise<readonly [A, number]> => {
  const busy = () => os.cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)
  const [all, own, start] = [busy(), process.cpuUsage(), performance.now()]
  const result = await work()
  const { user, system } = process.cpuUsage(own)
  return [result, Math.max(0, (busy() - all - (user + system) / 1000) / (performance.now() - start))]
}
