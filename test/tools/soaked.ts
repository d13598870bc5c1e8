/** What was measured during a soak: whether anything grows, and a picture of it. */

/** One look at the process. */
export interface Sample {
  /** Bytes in use after a collection. */
  readonly heap: number
  readonly handles: number
  readonly timers: number
}

/** Whether what was measured stayed flat. */
export interface Judgement {
  readonly name: keyof Sample
  /** Medians: of the second quarter, when everything has been used once, and of the last. */
  readonly before: number
  readonly after: number
  /** By how much it grew from the second quarter's middle to the last one's, by the median of all slopes: single outliers do not matter. */
  readonly growth: number
  readonly allowed: number
  readonly isFlat: boolean
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** By how much values grow from one to the next: the median over all pairs (Theil and Sen). */
export const slope = (values: ReadonlyArray<number>): number =>
  median(values.flatMap((value, i) => values.slice(i + 1).map((later, n) => (later - value) / (n + 1))))

/** What may come and go: a twentieth of the heap and a MiB, a connection or two, a pause or two. */
const allowances: Readonly<Record<keyof Sample, (before: number) => number>> = {
  heap: (before) => before / 20 + 1_048_576,
  handles: () => 4,
  timers: () => 4
}

/** The first quarter does not count: then everything is being used for the first time. At least 16 samples. */
export const judge = (samples: ReadonlyArray<Sample>): ReadonlyArray<Judgement> => {
  const quarter = samples.length >> 2
  if (quarter < 4) throw new Error(`${samples.length} samples are too few to judge`)
  return (["heap", "handles", "timers"] as const).map((name) => {
    const values = samples.slice(-3 * quarter).map((sample) => sample[name])
    const before = median(values.slice(0, quarter))
    const after = median(values.slice(-quarter))
    const growth = slope(values) * 2 * quarter
    const allowed = allowances[name](before)
    return { name, before, after, growth, allowed, isFlat: growth <= allowed && after - before <= allowed }
  })
}

/** Values as a line of blocks, as wide as wanted: each block is the greatest of its part. */
export const plot = (values: ReadonlyArray<number>, width = 60): string => {
  const columns = Math.min(width, values.length)
  const parts = Array.from({ length: columns }, (_, n) =>
    Math.max(
      ...values.slice(Math.floor((n * values.length) / columns), Math.floor(((n + 1) * values.length) / columns))
    )
  )
  const least = Math.min(...parts)
  const range = Math.max(...parts) - least
  return parts.map((value) => "▁▂▃▄▅▆▇█"[range === 0 ? 0 : Math.round(((value - least) / range) * 7)]).join("")
}
