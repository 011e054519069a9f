// SPDX-License-Identifier: MIT OR Apache-2.0
// javax.smartcardio: list, wait for changes, connect, exclusive access, transmit, reset.
import java.util.List;
import javax.smartcardio.*;

public class Session {
    static void host(String... words) throws Exception {
        new ProcessBuilder(words).inheritIO().start().waitFor();
    }

    public static void main(String[] arguments) throws Exception {
        CardTerminals terminals = TerminalFactory.getDefault().terminals();
        for (CardTerminal terminal : terminals.list()) {
            System.out.println(terminal.getName() + " " + terminal.isCardPresent());
        }
        CardTerminal terminal = terminals.list(CardTerminals.State.CARD_PRESENT).get(0);
        System.out.println("wait, card there: " + terminal.waitForCardPresent(1000) + ", absent: " + terminal.waitForCardAbsent(300));
        Card card = terminal.connect("*");
        System.out.println(card.getProtocol() + " " + hex(card.getATR().getBytes()));
        CardChannel channel = card.getBasicChannel();
        card.beginExclusive();
        try {
            show(channel.transmit(new CommandAPDU(0x00, 0xC0, 0x00, 0x00, 16)));
        } finally {
            card.endExclusive();
        }
        show(channel.transmit(new CommandAPDU(0x80, 0xEE, 0x12, 0x34, 8)));
        System.out.println("control: " + card.transmitControlCommand(0x42000D48, new byte[0]).length % 6);
        try {
            terminal.connect("T=1");
            System.out.println("T=1 as well");
        } catch (CardException refused) {
            System.out.println("T=1: " + refused.getMessage());
        }
        card.disconnect(true);
        card = terminal.connect("T=0");
        show(card.getBasicChannel().transmit(new CommandAPDU(0x80, 0xEE, 0x56, 0x78, 4)));
        terminals.waitForChange(500);
        host("host", "later", "1", "card", "remove");
        System.out.println("change: " + terminals.waitForChange(20000));
        System.out.println("removed: " + terminals.list(CardTerminals.State.CARD_REMOVAL).size());
        try {
            show(card.getBasicChannel().transmit(new CommandAPDU(0x80, 0xEE, 0x56, 0x78, 4)));
        } catch (CardException gone) {
            System.out.println("card gone: " + gone.getCause().getMessage());
        }
        host("host", "later", "1", "card", "insert");
        System.out.println("change: " + terminals.waitForChange(20000));
        card = terminal.connect("*");
        show(card.getBasicChannel().transmit(new CommandAPDU(0x80, 0xEE, 0x9A, 0xBC, 4)));
        card.disconnect(false);
    }

    static void show(ResponseAPDU answer) {
        System.out.printf("%04X %s%n", answer.getSW(), hex(answer.getData()));
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte value : bytes) text.append(String.format("%02X", value));
        return text.toString();
    }
}
