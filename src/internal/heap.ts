/**
 * A heap: whatever is least comes out first.
 *
 * @module
 */

export interface Heap<A> {
  /** What comes out next. */
  readonly peek: () => A | undefined
  readonly pop: () => A | undefined
  readonly push: (value: A) => void
}

export const make = <A>(rank: (value: A) => number): Heap<A> => {
  const heap: Array<A> = []
  const swap = (i: number, j: number): void => {
    const value = heap[i]!
    heap[i] = heap[j]!
    heap[j] = value
  }
  const isLess = (i: number, j: number): boolean => i < heap.length && rank(heap[i]!) < rank(heap[j]!)
  return {
    peek: () => heap[0],
    push: (value) => {
      let at = heap.push(value) - 1
      for (let up = (at - 1) >> 1; at > 0 && isLess(at, up); up = (at - 1) >> 1) {
        swap(at, up)
        at = up
      }
    },
    pop: () => {
      const first = heap[0]
      const last = heap.pop()
      if (heap.length === 0 || last === undefined) return first
      heap[0] = last
      for (let at = 0; ;) {
        const left = 2 * at + 1
        const least = isLess(left + 1, left) ? left + 1 : left
        if (!isLess(least, at)) return first
        swap(at, least)
        at = least
      }
    }
  }
}
