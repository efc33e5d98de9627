import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { QueryKey } from '@tanstack/react-query';

/** A change on the server after which what is shown of it is asked for anew; done is called when it worked. */
export function useAct<In = void, Out = unknown>(act: (input: In) => Promise<Out>, refresh: QueryKey, done?: (out: Out) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: async (out) => {
      await queries.invalidateQueries({ queryKey: refresh });
      done?.(out);
    },
  });
}
