import { Modal, Stack, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { setStepUpHandler } from '../../api/client';
import { ProofForm } from './ProofForm';
import { askStepUp, stepUp } from './api';

/**
 * Asks the person to prove who they are whenever the server wants that before something grave, and lets what they did go on. Requests that meet it at the same time wait
 * for the same answer.
 */
export function StepUp() {
  const [ways, setWays] = useState<string[] | null>(null);
  const waiting = useRef<((done: boolean) => void)[]>([]);
  useEffect(() => {
    setStepUpHandler(
      (asked) =>
        new Promise<boolean>((resolve) => {
          waiting.current.push(resolve);
          setWays(asked);
        }),
    );
    return () => setStepUpHandler(null);
  }, []);
  const end = (done: boolean) => {
    setWays(null);
    for (const resolve of waiting.current.splice(0)) resolve(done);
  };
  return (
    <Modal opened={ways !== null} onClose={() => end(false)} title="Prove that it is you" size="sm" zIndex={400}>
      <Stack>
        <Text size="sm" c="dimmed">
          What you are about to do is grave, so it asks for a fresh proof. It counts for some minutes in this session, and is recorded.
        </Text>
        {ways && (
          <ProofForm
            ways={ways} askPasskey={askStepUp} submit="Go on"
            onProof={async (proof) => {
              await stepUp(proof);
              end(true);
            }}
          />
        )}
      </Stack>
    </Modal>
  );
}
