import { describe, expect, it } from "vitest"
import { judge, plot, type Sample, slope } from "./tools/soaked.ts"

/** A hundred samples of a process; the noise is the same every time. */
const samples = (at: (nth: number) => Partial<Sample>): ReadonlyArray<Sample> =>
  Array.from({ length: 100 }, (_, nth) => ({
    heap: 40_000_000 + ((nth * 7919) % 13) * 40_000,
    handles: 6 + (nth % 3),
    timers: 3 + (nth % 2),
    ...at(nth)
  }))
const grows = (all: ReadonlyArray<Sample>) => judge(all).flatMap(({ isFlat, name }) => (isFlat ? [] : [name]))

describe("a soak", () => {
  it("finds flat what only goes up and down, warms up, or has an outlier", () => {
    expect(grows(samples(() => ({})))).toEqual([])
    expect(grows(samples((nth) => (nth < 20 ? { heap: 20_000_000 + nth * 1_000_000 } : {})))).toEqual([])
    expect(grows(samples((nth) => (nth === 97 ? { heap: 200_000_000, handles: 90 } : {})))).toEqual([])
  })

  it("finds what grows, slowly or in steps", () => {
    expect(grows(samples((nth) => ({ heap: 40_000_000 + nth * 100_000 })))).toEqual(["heap"])
    expect(grows(samples((nth) => ({ heap: nth < 60 ? 40_000_000 : 60_000_000 })))).toEqual(["heap"])
    expect(grows(samples((nth) => ({ handles: 6 + (nth >> 3) })))).toEqual(["handles"])
    expect(grows(samples((nth) => ({ timers: nth })))).toEqual(["timers"])
  })

  it("judges nothing by a handful of samples", () => {
    expect(() => judge(samples(() => ({})).slice(0, 15))).toThrow("too few")
  })

  it("is drawn as a line", () => {
    expect(plot([0, 1, 2, 3, 4, 5, 6, 7])).toBe("▁▂▃▄▅▆▇█")
    expect(plot([5, 5, 5])).toBe("▁▁▁")
    expect(plot(Array.from({ length: 600 }, (_, nth) => nth))).toHaveLength(60)
    expect(slope([1, 3, 5, 100, 9])).toBe(2)
  })
})
