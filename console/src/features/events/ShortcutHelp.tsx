import { Kbd, Modal, Table } from '@mantine/core';

const keys: [string[], string][] = [
  [['j', '↓'], 'Next event'],
  [['k', '↑'], 'Previous event'],
  [['g'], 'First event'],
  [['Enter'], 'Open the event'],
  [['Esc'], 'Close the event'],
  [['/'], 'Search in text'],
  [['r'], 'Look for newer events'],
  [['l'], 'Live updates on or off'],
  [['?'], 'This help'],
];

export default function ShortcutHelp({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keyboard">
      <Table highlightOnHover={false}>
        <Table.Tbody>
          {keys.map(([names, what]) => (
            <Table.Tr key={what}>
              <Table.Td w={120}>
                {names.map((k) => (
                  <Kbd key={k} mr={6}>
                    {k}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{what}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
